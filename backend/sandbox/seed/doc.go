// Package seed fills the sandbox's S3 with the demo's data: a company's reports,
// builds and data sets, with believable names and dates, and a folder of hostile
// names.
//
// No bytes are stored. Reads compute them from seeds, block by block, so the cost
// of a read does not depend on its offset. A start generates only names.
// Each file has the format of its name: a PDF opens, a PNG decodes, a tar.gz
// unpacks, a Parquet file has rows, a SHA256SUMS is correct. Names, dates and
// bytes are the same on every machine and at every start.
//
// The demo's grants reach company-reports/quarterly/, annual/ and
// annual/audited/, builds/ as a whole, and datasets/public/. No grant reaches
// board-packs/, hr/ and datasets/embargoed/, on purpose.
package seed
