package compact_test

import (
	"fmt"

	"usher/backend/audit/compact"
)

func Example() {
	d, err := compact.New([]byte(`{"action":"download","bucket":"company-reports","key":"`))
	if err != nil {
		fmt.Println(err)
		return
	}
	text := `{"action":"download","bucket":"company-reports","key":"annual/letter.pdf"}`
	packed, _ := d.Compress(nil, []byte(text))
	again, err := d.Expand(nil, packed)
	fmt.Println(len(text), len(packed), string(again) == text, err)
	// Output: 74 25 true <nil>
}
