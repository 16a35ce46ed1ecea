-- While processes of the release before still write: what they do not keep of a sending, and of a taking back, is kept all the same.
CREATE FUNCTION keep_what_is_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = 'cancelled' THEN
        NEW.taken_back_at := coalesce(NEW.taken_back_at, NEW.decided_at);
        NEW.told := 'cancelled';
        NEW.tell_at := NULL;
    ELSE
        NEW.sent_at := coalesce(NEW.sent_at, NEW.decided_at);
        NEW.heard_at := coalesce(NEW.heard_at, NEW.decided_at);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_what_is_told BEFORE UPDATE OF state ON outreach FOR EACH ROW
    WHEN (NEW.state IN ('delivered', 'bounced', 'doubtful') AND NEW.sent_at IS NULL
        OR NEW.state = 'cancelled' AND NEW.rule = 'cancelled_by_sender' AND NEW.taken_back_at IS NULL)
    EXECUTE FUNCTION keep_what_is_told();
