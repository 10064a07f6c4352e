// Package seed fills the sandbox's S3 with what the demo shows: a company's
// reports, its builds and its data sets, with believable names and dates, and a
// folder of names that mean harm.
//
// Nothing is stored: the bytes are made from seeds, block by block, so that any
// offset of any object costs the same and a start costs names only. A file is
// what its name says: a PDF opens, a PNG decodes, a tar.gz unpacks, a Parquet
// file has rows, a SHA256SUMS is true. The same names, dates and bytes come
// out on every machine and at every start.
//
// What the grants of the demo reach: company-reports/quarterly/, annual/ and
// annual/audited/, builds/ as a whole, datasets/public/. board-packs/, hr/ and
// datasets/embargoed/ lie outside every grant, on purpose.
package seed
