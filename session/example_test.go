package session_test

import (
	"fmt"

	"usher/session"
)

func ExampleOrigin() {
	fmt.Println(session.Origin("HTTPS://Files.Example.com:443/"))
	fmt.Println(session.Origin("http://files.example.com"))
	// Output:
	// https://files.example.com <nil>
	//  http://files.example.com is not a server's address: it must begin with https://. Write it like https://files.example.com
}
