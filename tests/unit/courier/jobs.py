"""A job as an employer names it."""

from shared.contracts.outreach_gateway import Job

JOB = Job.model_validate(
    {
        "title": "Registered nurse",
        "occupation": "29-1141",
        "organization": "Denver Health",
        "location": "Denver, CO",
        "remote": False,
        "pay": {"min": 82000, "max": 96000, "currency": "USD", "per": "year"},
        "url": "https://jobs.example.org/42",
        "valid_through": "2027-01-31",
    }
)
