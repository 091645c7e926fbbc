DELETE FROM erp.audit_log WHERE happened_at = (SELECT min(happened_at) FROM erp.audit_log)
