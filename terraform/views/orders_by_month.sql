SELECT
  CAST(date_trunc('month', ordered_on) AS date) AS month,
  CAST(currency AS varchar) AS currency,
  count(*) AS orders,
  CAST(sum(total) AS decimal(38, 2)) AS total
FROM erp.orders
WHERE deleted_at IS NULL
GROUP BY 1, 2
