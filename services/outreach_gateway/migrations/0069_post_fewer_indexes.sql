-- What 0068 has others in the place of.
DROP INDEX outreach_by_candidate, outreach_of_employer_to, outreach_waiting, outreach_due_of, outreach_places, outreach_ended_by_day;
