package bundle

import _ "embed"

// The texts for readers without usher, one of each form. A text never changes: bundles
// with it exist.
var (
	//go:embed readme-v1.txt
	readmeV1 []byte
	//go:embed readme-v2.txt
	readmeV2 []byte
)

// readmes are the texts by form.
func readmes(format string) []byte {
	switch format {
	case FormatV1:
		return readmeV1
	case Format:
		return readmeV2
	}
	return nil
}
