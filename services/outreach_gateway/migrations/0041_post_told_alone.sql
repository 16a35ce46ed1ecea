-- Nobody writes any more who does not keep what is told.
DROP TRIGGER keep_what_is_told ON outreach;
DROP FUNCTION keep_what_is_told();
