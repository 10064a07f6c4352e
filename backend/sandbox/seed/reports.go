package seed

import (
	"fmt"
	"time"

	"usher/backend/sandbox/s3"
)

func (l *loader) reports() {
	l.bucket = Reports
	for year := 2018; year <= 2026; year++ {
		for q := 1; q <= 4 && (year < 2026 || q < 4); q++ {
			l.quarter(year, q)
		}
	}
	l.folder("quarterly/2026-q4/", day(2026, 10, 1))
	l.rows("quarterly/q3.csv", day(2026, 10, 21), 88_214, revenue(day(2026, 7, 1)))
	l.text("quarterly/README.md", day(2026, 10, 22), "# Quarterly figures\n\nOne folder a quarter. `q3.csv` is always the quarter that was closed last.\n\n"+
		"| file | what it is |\n|---|---|\n| report.pdf | as published |\n| management-accounts.csv | journal, in euro |\n| revenue-by-region.csv | by month and product |\n")
	for year := 2018; year <= 2025; year++ {
		l.annual(year)
	}
	l.pdf("annual/letter.pdf", day(2026, 4, 2), 118_420, "Letter to the shareholders 2025")
	for i := 1; i <= 4; i++ {
		name := fmt.Sprintf("annual/drafts/2026-annual-report-draft-%d.pdf", i)
		l.pdf(name, at(day(2026, 10, 6*i), name), int64(1_900_000+i*83_211), "Annual report 2026, draft")
	}
	l.text("annual/drafts/comments.md", day(2026, 11, 2), "# Comments on draft 3\n\n- page 12: the table is in thousands, the text says millions\n- page 31: photograph of the Halden yard is from 2019\n")
	l.audited()
	l.unreachable()
}

// quarter puts one folder of quarterly/.
func (l *loader) quarter(year, q int) {
	name := fmt.Sprintf("%d-q%d", year, q)
	dir := "quarterly/" + name + "/"
	first := time.Date(year, time.Month(3*q-2), 1, 0, 0, 0, 0, time.UTC)
	closed := first.AddDate(0, 3, 19).Add(9 * time.Hour)
	r := random(seedOf(dir))
	l.pdf(dir+"report.pdf", at(closed, dir+"r"), int64(640_000+r.n(1_400_000)), "Quarterly report "+name)
	l.rows(dir+"management-accounts.csv", at(closed, dir+"m"), int64(220_000+r.n(900_000)), ledger(first))
	l.rows(dir+"revenue-by-region.csv", at(closed, dir+"v"), int64(30_000+r.n(90_000)), revenue(first))
	l.png(dir+"revenue-by-region.png", at(closed, dir+"p"))
	l.text(dir+"summary.md", at(closed, dir+"s"), fmt.Sprintf("# %s in one page\n\nRevenue was %d.%d million euro, %d%% from products and the rest from services.\n\n- Orders on hand: %d\n- People at the end of the quarter: %d\n- Cash: %d.%d million euro\n\nThe figures are unaudited.\n",
		name, 40+r.n(30), r.n(10), 55+r.n(20), 800+r.n(600), 610+r.n(200), 9+r.n(12), r.n(10)))
	l.text(dir+"figures.json", at(closed, dir+"f"), fmt.Sprintf("{\n  \"quarter\": %q,\n  \"currency\": \"EUR\",\n  \"revenue\": %d,\n  \"cost_of_sales\": %d,\n  \"operating_result\": %d,\n  \"employees\": %d\n}\n",
		name, 40_000_000+r.n(30_000_000), 18_000_000+r.n(9_000_000), 2_000_000+r.n(4_000_000), 610+r.n(200)))
}

func (l *loader) annual(year int) {
	published := time.Date(year+1, 3, 14, 9, 12, 0, 0, time.UTC)
	r := random(seedOf("annual") + uint64(year))
	file := func(suffix string) string { return fmt.Sprintf("annual/%d-%s", year, suffix) }
	l.pdf(file("annual-report.pdf"), published, int64(3_400_000+r.n(1_500_000)), fmt.Sprintf("Annual report %d", year))
	l.pdf(file("sustainability-report.pdf"), at(published, file("s")), int64(1_800_000+r.n(900_000)), fmt.Sprintf("Sustainability report %d", year))
	l.rows(file("balance-sheet.csv"), at(published, file("b")), int64(40_000+r.n(30_000)), ledger(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)))
	l.png(file("revenue.png"), at(published, file("p")))
	l.pdf(fmt.Sprintf("annual/translations/%d/jahresbericht-%d.pdf", year, year), at(published, file("de")), int64(3_300_000+r.n(900_000)), fmt.Sprintf("Jahresbericht %d", year))
	l.pdf(fmt.Sprintf("annual/translations/%d/年次報告書-%d.pdf", year, year), at(published, file("ja")), int64(4_000_000+r.n(900_000)), fmt.Sprintf("Annual report %d, Japanese", year))
}

// audited puts the folder of the external auditors: three folders and 31 files.
func (l *loader) audited() {
	const dir = "annual/audited/"
	signed := time.Date(2026, 3, 14, 9, 12, 0, 0, time.UTC)
	l.pdf(dir+"2025-annual-report.pdf", signed, 4_213_904, "Annual report 2025, audited")
	l.pdf(dir+"2025-annual-report-appendix-b-related-party-disclosures.pdf", signed, 812_004, "Appendix B: related party disclosures")
	l.pdf(dir+"2025-auditor-opinion-signed.pdf", day(2026, 3, 12).Add(8*time.Hour+28*time.Minute), 391_226, "Independent auditor's report 2025")
	l.pdf(dir+"2025-notes-to-accounts.pdf", day(2026, 3, 10), 1_370_118, "Notes to the accounts 2025")
	l.rows(dir+"2025-financial-statements.csv", day(2026, 3, 10), 2_840_776, ledger(day(2025, 1, 1)))
	l.text(dir+"2025-management-representation-letter.md", day(2026, 3, 11), "# Management representation letter\n\nTo the auditors, in connection with the audit of the year that ended on 31 December 2025.\n\nWe confirm, to the best of our knowledge and belief, that all transactions have been recorded.\n")
	for year := 2018; year <= 2025; year++ {
		name := fmt.Sprintf("%s%d-consolidated-ledger.parquet", dir, year)
		when := time.Date(year+1, 3, 11, 16, 2, 0, 0, time.UTC)
		ledger := parquet(seedOf(name), time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC), 240_000+int64(year-2018)*91_000)
		l.put(name, when, s3.Object{Content: ledger, PartSize: BigPartSize})
		l.content(name+".sha256", when, sums([]string{fmt.Sprintf("%d-consolidated-ledger.parquet", year)}, []s3.Content{ledger}))
		if year < 2025 {
			l.pdf(fmt.Sprintf("%s%d-annual-report.pdf", dir, year), at(time.Date(year+1, 3, 14, 0, 0, 0, 0, time.UTC), name), 3_600_000+int64(year%7)*201_377, fmt.Sprintf("Annual report %d, audited", year))
		}
	}
	l.pdf(dir+"2023-財務諸表-日本語版.pdf", day(2024, 4, 2), 4_050_331, "Financial statements 2023, Japanese")
	l.pdf(dir+"2024-états-financiers.pdf", day(2025, 4, 3), 3_871_904, "Financial statements 2024, French")
	for year := 2018; year <= 2025; year++ {
		l.pdf(fmt.Sprintf("%sletters-to-shareholders/%d.pdf", dir, year), day(year+1, 4, 2), 96_000+int64(year%5)*4_011, fmt.Sprintf("Letter to the shareholders %d", year))
	}
	l.pdf(dir+"restated/2021-annual-report-restated.pdf", day(2023, 5, 19), 3_902_117, "Annual report 2021, restated")
	l.text(dir+"restated/why.md", day(2023, 5, 19), "# Why 2021 was restated\n\nA lease of the Halden yard was taken for a service contract. Assets and liabilities rise by 1.9 million euro, equity is unchanged.\n")
	for i := 1; i <= 12; i++ {
		l.rows(fmt.Sprintf("%sworking-papers/wp-%02d.csv", dir, i), day(2026, 2, i), int64(18_000+i*3_100), ledger(day(2025, 1, 1)))
	}
}

// unreachable puts folders outside every grant of the demo.
func (l *loader) unreachable() {
	for year := 2023; year <= 2026; year++ {
		for _, m := range []time.Month{time.January, time.April, time.July, time.October} {
			dir := fmt.Sprintf("board-packs/%d-%02d/", year, m)
			l.pdf(dir+"agenda.pdf", day(year, m, 4), 64_210, "Board agenda")
			l.pdf(dir+"minutes.pdf", day(year, m, 19), 112_004, "Board minutes")
		}
	}
	l.rows("hr/salaries-2026.csv", day(2026, 1, 30), 61_440, people())
	l.rows("hr/salaries-2025.csv", day(2025, 1, 30), 58_900, people())
	l.pdf("hr/reorganisation-2027-confidential.pdf", day(2026, 11, 9), 402_881, "Reorganization 2027")
	l.pdf("acquisitions/project-heron/term-sheet.pdf", day(2026, 9, 28), 218_113, "Project Heron: term sheet")
}
