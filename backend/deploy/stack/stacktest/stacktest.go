// Package stacktest has values for the parameters of the template, for the tests
// that evaluate it.
package stacktest

import "maps"

// Pseudo returns the pseudo parameters of a stack in a region of a partition.
func Pseudo() map[string]string {
	return map[string]string{
		"AWS::AccountId": "111122223333", "AWS::Partition": "aws", "AWS::Region": "eu-west-1", "AWS::URLSuffix": "amazonaws.com", "AWS::StackName": "usher",
		"AWS::StackId": "arn:aws:cloudformation:eu-west-1:111122223333:stack/usher/11111111-2222-3333-4444-555555555555",
	}
}

// Sets returns sets of parameters by name, with the pseudo parameters. Together
// they evaluate each condition of the template to true and to false.
func Sets() map[string]map[string]string {
	with := func(more map[string]string) map[string]string {
		out := Pseudo()
		maps.Copy(out, map[string]string{
			"CodeBucket": "usher-code-111122223333-eu-west-1", "CodeKey": "0123abcd.zip",
			"BucketArns": "arn:aws:s3:::company-reports", "ObjectArns": "arn:aws:s3:::company-reports/*",
		})
		maps.Copy(out, more)
		return out
	}
	key := "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555"
	return map[string]map[string]string{
		"default": with(nil),
		"existing pool": with(map[string]string{
			"ExistingUserPoolId": "eu-west-1_AbCdEfGhI", "ExistingClientId": "1example23456789", "ExistingSsoClientId": "2example34567890",
			"ExistingDeviceClientId": "3example45678901", "ExistingHostedUi": "https://sign-in.example.com", "FederatedGroups": "finance-team,project-*",
		}),
		"existing pool with passwords alone": with(map[string]string{"ExistingUserPoolId": "eu-west-1_AbCdEfGhI", "ExistingClientId": "1example23456789"}),
		"everything": with(map[string]string{
			"Organisation": "Example Ltd", "Architecture": "x86_64",
			"BucketArns": "arn:aws:s3:::company-reports, arn:aws:s3:::builds", "ObjectArns": "arn:aws:s3:::company-reports/annual/*, arn:aws:s3:::builds/*",
			"DataKeyArns": key, "StoreKeyArn": key, "BucketRegions": "us-east-1, eu-central-1", "PoolTier": "PLUS",
			"SamlMetadataUrl": "https://idp.example.com/metadata", "FederatedGroups": "finance-team, usher-admins",
			"DomainName": "files.example.com", "CertificateArn": "arn:aws:acm:eu-west-1:111122223333:certificate/11111111-2222-3333-4444-555555555555",
			"ObjectLockMode": "COMPLIANCE", "ObjectLockDays": "3650", "Holds": `["who:ada since:2026-01-01"]`, "AuditDays": "0", "LogDays": "365",
			"PermissionsBoundaryArn": "arn:aws:iam::111122223333:policy/boundary", "ReservedConcurrency": "100", "AlarmEmail": "ops@example.com",
		}),
		"oidc": with(map[string]string{
			"OidcIssuer": "https://idp.example.com", "OidcClientId": "usher", "FederatedGroups": "*",
			"OidcCredentialsArn": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:usher-AbCdEf",
		}),
		"another partition": with(map[string]string{
			"AWS::Partition": "aws-us-gov", "AWS::Region": "us-gov-west-1",
			"AWS::StackId": "arn:aws-us-gov:cloudformation:us-gov-west-1:111122223333:stack/usher/11111111-2222-3333-4444-555555555555",
			"BucketArns":   "arn:aws-us-gov:s3:::company-reports", "ObjectArns": "arn:aws-us-gov:s3:::company-reports/*",
		}),
	}
}
