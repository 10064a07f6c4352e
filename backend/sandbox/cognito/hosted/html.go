package hosted

import (
	"fmt"
	"html"
	"strings"
)

// Package html/template is not used: with its reflection the linker keeps every
// method of the program, 12 MB. Values are in text and in quoted attributes only,
// which EscapeString covers.
const (
	head = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>%[1]s</title><style>
body{font:16px/1.5 system-ui,sans-serif;max-width:22rem;margin:3rem auto;padding:0 1rem}
label{display:block;margin-top:1rem}input{font:inherit;width:100%%;box-sizing:border-box;padding:.4rem}
button{font:inherit;margin-top:1.2rem;padding:.5rem 1rem;width:100%%}p.say{color:#a00}</style></head><body>
<h1>%[1]s</h1>
`
	alert     = `<p class="say" role="alert">%s</p>` + "\n"
	formBegin = `<form method="post" action="%s">
<input type="hidden" name="_csrf" value="%s"><input type="hidden" name="_step" value="%s">
`
	formField = `<label>%s<input name="%s" type="%s" value="%s" autocomplete="%s" required></label>` + "\n"
	formEnd   = `<button type="submit" name="signInSubmitButton">Sign in</button></form>` + "\n"
	company   = `<p><a id="company" href="%s">%s</a></p>` + "\n"
	foot      = "</body></html>\n"
)

// html returns the page with all values escaped.
func (p page) html() string {
	var b strings.Builder
	write := func(form string, values ...string) {
		escaped := make([]any, len(values))
		for i, v := range values {
			escaped[i] = html.EscapeString(v)
		}
		fmt.Fprintf(&b, form, escaped...)
	}
	write(head, p.Title)
	if p.Text != "" {
		write(alert, p.Text)
	}
	if len(p.Fields) > 0 {
		write(formBegin, p.Action, p.CSRF, p.Token)
		for _, f := range p.Fields {
			write(formField, f.Label, f.Name, f.Type, f.Value, f.Complete)
		}
		b.WriteString(formEnd)
	}
	if p.Company != "" {
		write(company, p.CompanyURL, p.Company)
	}
	b.WriteString(foot)
	return b.String()
}
