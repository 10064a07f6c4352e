package serve

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// prefix begins the name of each variable of a server's configuration.
const prefix = "USHER_"

// clientVariables are variables of usher's commands.
var clientVariables = []string{"USHER_PROFILE", "USHER_SERVER"}

// FromEnvironment reads the configuration of a server without files, as on AWS
// Lambda. Each field has a variable: USHER_ and the field's path in capitals, such
// as USHER_PUBLIC_URL and USHER_S3_READER_ROLE. Lists have the form of YAML:
// [a, b]. USHER_REGION defaults to AWS_REGION. An unknown variable is refused.
//
// SPEC: AWS Lambda developer guide, "Lambda quotas": all environment variables of
// a function have 4 KB together.
func FromEnvironment(environ []string) (Config, error) {
	c := Config{Unattended: true}
	fields := map[string]reflect.Value{}
	variables(reflect.ValueOf(&c).Elem(), prefix, fields)
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		switch {
		case name == "AWS_REGION" && c.Region == "":
			c.Region = value
		case !strings.HasPrefix(name, prefix) || slices.Contains(clientVariables, name):
		default:
			field, known := fields[name]
			if !known {
				return Config{}, fmt.Errorf("%s is no variable of usher's configuration: correct or remove it", name)
			}
			if err := set(field, value); err != nil {
				return Config{}, fmt.Errorf("%s must be of the type %s", name, field.Type())
			}
		}
	}
	if err := c.checkUnused(); err != nil {
		return Config{}, err
	}
	for name, value := range map[string]string{"AUDIT": c.Audit, "GRANTS": c.Grants, "STATE": c.State} {
		if !strings.HasPrefix(value, tablePrefix) {
			return Config{}, fmt.Errorf("%s%s must be %sTABLE: the files of a function do not last", prefix, name, tablePrefix)
		}
	}
	if err := c.complete(); err != nil {
		return Config{}, fmt.Errorf("the variables %s…: %w", prefix, err)
	}
	if c.S3.ReaderRole == "" {
		return Config{}, fmt.Errorf("%sS3_READER_ROLE is missing: the credentials of a function cannot sign URLs", prefix)
	}
	return c, nil
}

// tablePrefix begins the name of a DynamoDB table.
const tablePrefix = "dynamodb:"

// variables collects the fields with their variables.
func variables(of reflect.Value, path string, into map[string]reflect.Value) {
	for i := range of.NumField() {
		tag, _, _ := strings.Cut(of.Type().Field(i).Tag.Get("yaml"), ",")
		if tag == "" || tag == "-" {
			continue
		}
		name := path + strings.ToUpper(tag)
		if of.Field(i).Kind() == reflect.Struct {
			variables(of.Field(i), name+"_", into)
			continue
		}
		into[name] = of.Field(i)
	}
}

// set sets a field from the text of a variable: a string as it is, all others as
// YAML.
func set(field reflect.Value, text string) error {
	if field.Kind() == reflect.String {
		field.SetString(text)
		return nil
	}
	if strings.TrimSpace(text) == "" {
		return errors.New("empty")
	}
	into := field.Addr()
	if field.Kind() == reflect.Pointer {
		into = reflect.New(field.Type().Elem())
		field.Set(into)
	}
	return yaml.UnmarshalWithOptions([]byte(text), into.Interface(), yaml.Strict())
}
