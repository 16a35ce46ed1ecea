-- fairpool: no transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS work_by_flow ON work (queue, lane, flow, run_at) WHERE set_aside_at IS NULL;
