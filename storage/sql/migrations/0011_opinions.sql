-- What the reviewer of a deposit refund wrote, for those who answer the merchant. Of reviews from before this it stands in
-- their notices only.

ALTER TABLE deposit_refund ADD COLUMN opinion text;
