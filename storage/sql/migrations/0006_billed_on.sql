-- The date of the statement an obligation is on; of rows from before it is not known, and they count as billed.

ALTER TABLE obligation ADD COLUMN billed_on date;
