module usher/backend/sandbox/rig

go 1.26.0

replace usher => ../../..

require usher v0.0.0-00010101000000-000000000000

require (
	github.com/klauspost/cpuid/v2 v2.2.9 // indirect
	github.com/minio/crc64nvme v1.1.1 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
