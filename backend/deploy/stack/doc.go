// Package stack has the CloudFormation template of usher's production form, reads
// templates, and evaluates them for given parameters. It makes no call.
//
// The deployment is left to package deploy.
package stack
