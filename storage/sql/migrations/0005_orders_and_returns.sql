-- Extensions of a due date, and what became of a return's review. Rows from before have neither; their returns were
-- approved at once, as all that needed no review.

ALTER TABLE purchase_order ADD COLUMN extension_days bigint;

ALTER TABLE return_request ADD COLUMN review text;
UPDATE return_request SET review = 'approved';
