-- Which service has not said yet that it erased what it kept of an erased person. A row goes when it has; it is asked again meanwhile.
CREATE TABLE erasures_outstanding (
    candidate uuid NOT NULL,
    service text NOT NULL,
    erased_at timestamptz NOT NULL,
    asked_at timestamptz NOT NULL,
    PRIMARY KEY (candidate, service)
);
CREATE INDEX erasures_outstanding_by_ask ON erasures_outstanding (asked_at);
CREATE INDEX erasures_outstanding_by_age ON erasures_outstanding (service, erased_at);
