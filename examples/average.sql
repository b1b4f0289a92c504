-- The average star rating of every five seconds. The row of a window leaves when the window's end has passed, and bears
-- that end as its ROWTIME.
CREATE OR REPLACE STREAM "AVG_STAR_RATING_SQL_STREAM" (avg_star_rating DOUBLE);
CREATE OR REPLACE PUMP "AVG_STAR_RATING_SQL_STREAM_PUMP" AS INSERT INTO "AVG_STAR_RATING_SQL_STREAM"
  SELECT STREAM AVG(CAST("star_rating" AS DOUBLE)) AS avg_star_rating FROM "SOURCE_SQL_STREAM_001"
  GROUP BY STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '5' SECOND);
