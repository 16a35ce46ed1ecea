"""How large what a contract carries may be: what its readers' columns hold, so that no record can stop one of them.

Edges allow less than this; here is what a reader takes.
"""

from typing import Annotated

from pydantic import Field

LARGEST_INTEGER = 2**31 - 1
"""What an `integer` column holds."""
LARGEST_MOMENT = 2**53 - 1
"""What a `bigint` and every JSON reader holds: for versions that are a time in milliseconds."""
MOST = 10_000
LONGEST = 900_000

CandidateId = Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
"""A UUID as PostgreSQL writes it."""
Id = Annotated[str, Field(max_length=128)]
"""Of a tenant, a pool, an outreach, a notice; a member ref; the name of a rule or a time zone."""
Line = Annotated[str, Field(max_length=1000)]
Code = Annotated[str, Field(max_length=64)]
Sealed = Annotated[str, Field(max_length=LONGEST)]
MOST_PARTS = 48
"""Of one answer that is too large for a record of Kafka."""
Part = Annotated[int, Field(ge=1, le=MOST_PARTS)]
Version = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]
MomentVersion = Annotated[int, Field(ge=0, le=LARGEST_MOMENT)]
Number = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]
Generation = Annotated[int, Field(ge=0, le=2**32 - 1)]
"""Of a person's member refs."""
Few = Field(max_length=100)
"""Entries of a list."""
Many = Field(max_length=MOST)
