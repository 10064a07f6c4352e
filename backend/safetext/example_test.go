package safetext_test

import (
	"fmt"

	"usher/backend/safetext"
)

// A name with a right-to-left override would show as "reportexe.pdf".
func ExampleText() {
	name := safetext.New("report\u202efdp.exe")
	fmt.Println(name)
	fmt.Println(name.Escaped())
	// Output:
	// report\u{202e}fdp.exe
	// true
}
