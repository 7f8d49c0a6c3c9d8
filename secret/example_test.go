package secret_test

import (
	"encoding/json"
	"fmt"

	"github.com/trestle-mcp/trestle/secret"
)

func ExampleSecret() {
	var config struct {
		User     string        `json:"user"`
		Password secret.Secret `json:"password"`
	}
	if err := json.Unmarshal([]byte(`{"user":"ann","password":"hunter2"}`), &config); err != nil {
		fmt.Println(err)
	}
	fmt.Printf("%+v\n", config)
	fmt.Println(config.Password.Reveal())
	// Output:
	// {User:ann Password:[redacted]}
	// hunter2
}
