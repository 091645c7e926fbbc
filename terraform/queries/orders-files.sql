SELECT content, count(*) AS files, sum(record_count) AS rows, min(file_size_in_bytes) AS smallest, avg(file_size_in_bytes) AS average
FROM erp."orders$files"
GROUP BY content
