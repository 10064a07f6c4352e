package lambda_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"usher/backend/lambda"
)

func ExampleAdapter_Invoke() {
	a, err := lambda.New(lambda.Config{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host+r.URL.Path) }),
		Log:     slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, err := a.Invoke(context.Background(), []byte(`{"version":"2.0","rawPath":"/v1/config",
		"requestContext":{"domainName":"files.example.com","http":{"method":"GET","sourceIp":"198.51.100.7"}}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(string(answer))
	// Output: {"statusCode":200,"headers":{},"multiValueHeaders":null,"body":"files.example.com/v1/config","cookies":null}
}
