"""Every event by its CloudEvents type."""

from collections.abc import Mapping
from types import MappingProxyType

from shared.contracts import consent, operator, outreach_gateway, pool_matching, signup
from shared.contracts.base import Event

_ALL: tuple[type[Event], ...] = (
    signup.CandidateReportedV1,
    signup.CandidateMergedV1,
    signup.CandidateRegisteredV1,
    signup.CandidateClaimedV1,
    signup.CandidateConfirmedV1,
    signup.CandidateHiredV1,
    signup.CandidateLapsedV1,
    signup.CandidateErasedV1,
    signup.ErasureSweptV1,
    signup.SessionEndedV1,
    signup.LinksVoidedV1,
    signup.ExportRequestedV1,
    signup.CandidateProfileChangedV1,
    signup.CandidateKeyPublishedV1,
    signup.NoticeRequestedV1,
    signup.NoticeRequestedV2,
    signup.ExportReadyV1,
    signup.EmailNoticeRequestedV1,
    signup.MailboxChangedV1,
    signup.OutreachOutcomeReportedV1,
    consent.ConsentChangedV1,
    consent.ConsentChangedV2,
    consent.GrantNoticedV1,
    consent.MessageWishedV1,
    consent.ExportAnsweredV1,
    consent.ErasureConfirmedV1,
    operator.TenantChangedV1,
    pool_matching.PoolChangedV1,
    pool_matching.MembershipsChangedV1,
    pool_matching.DisclosedV1,
    pool_matching.DisclosureEndedV1,
    pool_matching.PoolUpdatedV1,
    pool_matching.PoolClosedV1,
    outreach_gateway.OutreachRequestedV1,
    outreach_gateway.OutreachDecidedV1,
)

EVENTS: Mapping[str, type[Event]] = MappingProxyType({event.TYPE: event for event in _ALL})
