package deploy

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"usher/backend/safetext"
)

// maxProgram is the greatest size of a zip, in bytes.
//
// SPEC: AWS Lambda developer guide, "Lambda quotas": 50 MB for an upload.
const maxProgram = 50 << 20

// program is the zip of the functions. Its name is its hash, so an equal program
// is uploaded once, and a changed one has another name.
type program struct {
	zip []byte
	sum [sha256.Size]byte
	key string
}

// open reads a zip. It refuses one that no function could start.
func open(file, architecture string) (program, error) {
	if file == "" {
		return program{}, refuse("The program of the functions is missing: give it with --zip FILE. make lambda builds it.")
	}
	f, err := os.Open(file)
	if err != nil {
		return program{}, fmt.Errorf("reading the program: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	body, err := io.ReadAll(io.LimitReader(f, maxProgram+1))
	switch {
	case err != nil:
		return program{}, fmt.Errorf("reading the program: %w", err)
	case len(body) > maxProgram:
		return program{}, refuse("%s has more than %d MB.", safetext.Line(file), maxProgram>>20)
	}
	machine, err := machineOf(body)
	if err != nil {
		return program{}, &Error{text: safetext.Line(file) + " is not the program of a function. make lambda builds it.", exit: refuse("").(*Error).exit, cause: err}
	}
	if want := map[string]elf.Machine{"arm64": elf.EM_AARCH64, "x86_64": elf.EM_X86_64}[architecture]; machine != want {
		return program{}, refuse("%s is not for %s. Give the other zip, or --set Architecture=…", safetext.Line(file), safetext.Line(architecture))
	}
	p := program{zip: body, sum: sha256.Sum256(body)}
	p.key = "usher/" + hex.EncodeToString(p.sum[:]) + ".zip"
	return p, nil
}

// machineOf returns the processor of the file bootstrap of a zip.
func machineOf(body []byte) (elf.Machine, error) {
	z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return 0, err
	}
	f, err := z.Open("bootstrap")
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }() // only read
	head := make([]byte, 64)
	if _, err := io.ReadFull(f, head); err != nil {
		return 0, err
	}
	if !bytes.HasPrefix(head, []byte(elf.ELFMAG)) || head[elf.EI_DATA] != byte(elf.ELFDATA2LSB) {
		return 0, fmt.Errorf("bootstrap is no program for Linux")
	}
	// SPEC: System V ABI, e_machine at offset 18.
	return elf.Machine(uint16(head[18]) | uint16(head[19])<<8), nil
}

// codeBucket is the bucket of the program. The account is part of the name,
// because names of buckets are global.
func (r *run) codeBucket() string { return r.o.Stack + "-code-" + r.account + "-" + r.o.Region }

// upload puts the program into its bucket, unless it is there.
func (r *run) upload(ctx context.Context) error {
	bucket := r.codeBucket()
	if err := r.makeBucket(ctx, bucket); err != nil {
		return err
	}
	r.parameters["CodeBucket"], r.parameters["CodeKey"] = bucket, r.program.key
	owner := aws.String(r.account)
	_, err := r.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String(r.program.key), ExpectedBucketOwner: owner})
	if err == nil {
		r.show(Line{Kind: KindNote, Subject: "program", Text: "The program is uploaded already."})
		return nil
	}
	if !has(err, "NotFound", "NoSuchKey") {
		return err
	}
	_, err = r.s3.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String(r.program.key), Body: bytes.NewReader(r.program.zip), ExpectedBucketOwner: owner,
		ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(r.program.sum[:])),
	})
	if err == nil {
		r.show(Line{Kind: KindNote, Subject: "program", Text: fmt.Sprintf("Uploaded the program, %.1f MB.", float64(len(r.program.zip))/1e6)})
	}
	return err
}

// makeBucket creates the private, versioned bucket of the program. An existing
// bucket of this account is used.
func (r *run) makeBucket(ctx context.Context, name string) error {
	owner := aws.String(r.account)
	if _, err := r.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(name), ExpectedBucketOwner: owner}); err == nil {
		return nil
	} else if !has(err, "NotFound", "NoSuchBucket") {
		return err
	}
	in := &s3.CreateBucketInput{Bucket: aws.String(name)}
	if r.o.Region != "us-east-1" { // SPEC: S3 API reference, CreateBucket: no constraint there
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(r.o.Region)}
	}
	if _, err := r.s3.CreateBucket(ctx, in); err != nil && !has(err, "BucketAlreadyOwnedByYou") {
		return err
	}
	if _, err := r.s3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
		Bucket: aws.String(name), ExpectedBucketOwner: owner,
		PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
			BlockPublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true), IgnorePublicAcls: aws.Bool(true), RestrictPublicBuckets: aws.Bool(true),
		},
	}); err != nil {
		return err
	}
	_, err := r.s3.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: aws.String(name), ExpectedBucketOwner: owner,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	return err
}
