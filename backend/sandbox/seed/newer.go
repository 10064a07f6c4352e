package seed

// newer puts later versions of texts that reports puts.
func (l *loader) newer() {
	const comments = "annual/drafts/comments.md"
	l.text(comments, day(2026, 11, 9), `# Comments on draft 3

- page 12: the table is in thousands, the text says millions
- page 31: photograph of the Halden yard is from 2019
- page 44: the maturity of the bond is 2031, not 2030
`)
	l.text(comments, day(2026, 11, 16), `# Comments on draft 4

- page 31: photograph of the Halden yard is from 2019
- page 44: the maturity of the bond is 2031, not 2030
- page 52: a note on the lease of the Halden yard is missing
`)
	l.text("annual/audited/restated/why.md", day(2023, 6, 2), `# Why 2021 was restated

A lease of the Halden yard was taken for a service contract.
Assets and liabilities rise by 1.9 million euro, equity is unchanged.

The auditors agreed on 30 May 2023.
`)
}
