package bundle

import _ "embed"

// readme is the text for readers without usher.
//
//go:embed readme.txt
var readme []byte
