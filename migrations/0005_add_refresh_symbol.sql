-- Whose bars were touched: a refresh covers every market's days, and must not erase those of a market whose
-- bars are gone. NULL in the rows of before, of which it is not known: they count as every market's.
ALTER TABLE aggregate_refresh ADD COLUMN symbol text;
