// Reads an interval log with a reader from npm: percentile and nanoseconds, of all intervals added.
//
//     read.mjs FILE

import { readFileSync } from "node:fs";
import { HistogramLogReader, build } from "hdr-histogram-js";

const reader = new HistogramLogReader(readFileSync(process.argv[2], "utf8"));
const all = build({ bitBucketSize: 64, highestTrackableValue: 600e9, numberOfSignificantValueDigits: 3 });
for (let interval; (interval = reader.nextIntervalHistogram()); ) {
  all.add(interval);
}
for (const percentile of [50, 75, 90, 99, 99.9, 99.99]) {
  // See value() in read.py.
  const count = Math.ceil((percentile / 100) * all.totalCount - 1e-6);
  console.log(`${percentile} ${all.getValueAtPercentile((100 * (count - 0.25)) / all.totalCount)}`);
}
