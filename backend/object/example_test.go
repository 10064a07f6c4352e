package object_test

import (
	"context"
	"fmt"
	"time"

	"usher/backend/audit"
	"usher/backend/object"
)

// Without an audit receipt nothing is signed.
func ExamplePresigner_Sign() {
	p, err := object.NewPresigner(object.PresignerConfig{
		Region: "eu-central-1", Endpoint: "https://s3.eu-central-1.amazonaws.com", Credentials: pair(),
		CheckAge: func() time.Duration { return 5 * time.Second }, Now: func() time.Time { return noon },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = p.Sign(context.Background(), audit.Receipt{})
	fmt.Println(err)
	// Output: there is no audit receipt for this URL
}

func ExampleRow_Marker() {
	marker := object.Row{Name: "annual/", Sized: true}
	file := object.Row{Name: "annual/report.pdf", Sized: true, Size: 10}
	fmt.Println(marker.Marker(), file.Marker())
	// Output: true false
}
