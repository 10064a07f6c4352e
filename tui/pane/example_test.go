package pane_test

import (
	"errors"
	"fmt"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/tui/pane"
)

func ExampleSentence() {
	fmt.Println(pane.Sentence(&api.Error{Code: api.NotFound, RequestID: "r-1"}, "files.example.com"))
	fmt.Println(pane.Sentence(errors.New("EOF"), "files.example.com"))
	// Output:
	// There is nothing here that you can open. (request r-1)
	// No answer from files.example.com.
}

// A text that is escaped already is not escaped again.
func ExampleSafe() {
	shown := safetext.Line("a\x1b[2Jb")
	fmt.Println(safetext.New(shown + " is gone."))
	fmt.Println(pane.Safe(shown + " is gone."))
	fmt.Println(pane.Safe("raw \x1b[2J"))
	// Output:
	// a\\u{1b}[2Jb is gone.
	// a\u{1b}[2Jb is gone.
	// raw \u{1b}[2J
}

func ExampleTarget() {
	where, err := api.ParsePath("s3://company-reports/annual/")
	if err != nil {
		fmt.Println(err)
		return
	}
	at := pane.At(where)
	fmt.Println(at.Bucket, at.Key, at.Text())
	// Output: company-reports annual/ company-reports/annual/
}
