package device

import (
	"html"
	"strings"
)

// html returns a page. Package html/template is not used: with its reflection the
// linker keeps every method of the program, 12 MB of the function on AWS Lambda.
// Values are in text and in quoted attributes only, which EscapeString covers.
func (p page) html(name string) string {
	body := bodies()[name]
	if p.Text == "" {
		body = strings.Replace(body, warning, "", 1)
	}
	host := p.Host.String()
	if host == "" {
		host = "not given"
	}
	// The replacer reads the page once, so it replaces nothing inside of a value.
	return strings.NewReplacer(
		"{style}", pagesCSS,
		"{organization}", html.EscapeString(p.Organization),
		"{text}", html.EscapeString(p.Text),
		"{code}", html.EscapeString(p.Code),
		"{host}", html.EscapeString(host),
		"{terminal}", html.EscapeString(p.Terminal),
		"{age}", html.EscapeString(p.Age),
		"{form}", html.EscapeString(p.Form),
		"{target}", html.EscapeString(p.Target),
		"{first}", html.EscapeString(p.First),
		"{last}", html.EscapeString(p.Last),
	).Replace(head + body + foot)
}

const (
	head = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Sign in to {organization}</title>
<style>{style}</style>
</head>
<body>
<main>
`
	foot = `</main>
</body>
</html>
`
	warning = `<p class="warning" role="alert">{text}</p>
`
)

// bodies returns the contents of the pages by name.
func bodies() map[string]string {
	return map[string]string{
		pageCode: `<h1>Sign in on another device</h1>
` + warning + `<form method="post" action="/d">
<p><label for="code">The code that your terminal shows</label></p>
<p><input id="code" name="code" autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="20" required autofocus></p>
<p><button class="go">Next</button></p>
</form>
`,
		pageConfirm: `<h1>A terminal asks to sign in to {organization}</h1>
<dl>
<dt>Computer, by its own account</dt><dd>{host}</dd>
<dt>Network address</dt><dd>{terminal}</dd>
<dt>Started</dt><dd>{age}</dd>
</dl>
<p class="warning">Only continue if your own terminal shows <strong>{code}</strong> now. If somebody sent you this link or this code, choose “Not mine”.</p>
<form method="post" action="/d/decide">
<input type="hidden" name="code" value="{code}">
<input type="hidden" name="form" value="{form}">
<button name="answer" value="deny">Not mine</button>
<button class="go" name="answer" value="continue">Continue to sign in</button>
</form>
`,
		pageGo: `<h1>Opening the sign-in page</h1>
<p><a href="{target}">Continue to the sign-in page</a></p>
`,
		pageNumber: `<h1>Type this number into your terminal</h1>
<p class="number" aria-label="{first} {last}">{first} {last}</p>
<p class="warning">Never give this number to anybody. usher asks for it only in your own terminal.</p>
`,
		pageDone: `<h1>{text}</h1>
`,
		pageProblem: `<h1>This did not work</h1>
<p role="alert">{text}</p>
<p><a href="/d">Type a code</a></p>
`,
	}
}
