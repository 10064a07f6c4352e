package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

// objects are n objects of size bytes below a prefix of their own.
type objects struct {
	endpoint, bucket string
	n                int
	size             int64
}

func (o *objects) flags(name string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ExitOnError)
	f.StringVar(&o.endpoint, "endpoint", "", "S3 endpoint")
	f.StringVar(&o.bucket, "bucket", "bench", "bucket")
	f.IntVar(&o.n, "n", 1, "number of objects")
	f.Int64Var(&o.size, "size", 0, "bytes of each")
	return f
}

func (o *objects) key(i int) string { return fmt.Sprintf("%dx%d/o%05d.bin", o.n, o.size, i) }

// content returns the bytes of object i: incompressible, and the same in each run.
func (o *objects) content(i int) io.Reader {
	return io.LimitReader(rand.NewChaCha8(sha256.Sum256([]byte(o.key(i)))), o.size)
}

func client(endpoint string) *s3.Client {
	return s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(endpoint), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
	})
}

// putObjects uploads with S3's default checksum, CRC-64/NVME of the whole object
// (S3 user guide, "Checking object integrity").
func putObjects(ctx context.Context, args []string) error {
	var o objects
	_ = o.flags("put").Parse(args)
	cl := client(o.endpoint)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i := range o.n {
		g.Go(func() error {
			data, err := io.ReadAll(o.content(i))
			if err != nil {
				return err
			}
			_, err = cl.PutObject(ctx, &s3.PutObjectInput{
				Bucket: aws.String(o.bucket), Key: aws.String(o.key(i)), Body: bytes.NewReader(data),
				ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme,
			})
			return err
		})
	}
	return g.Wait()
}

// printURLs prints a presigned URL of each object. The URLs live for a day.
func printURLs(ctx context.Context, args []string) error {
	var o objects
	_ = o.flags("urls").Parse(args)
	signer := s3.NewPresignClient(client(o.endpoint), s3.WithPresignExpires(24*3600e9))
	for i := range o.n {
		req, err := signer.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(o.bucket), Key: aws.String(o.key(i))})
		if err != nil {
			return err
		}
		fmt.Println(req.URL)
	}
	return nil
}

// checkFiles checks that a directory tree holds each object once, by its base
// name, and no other file.
func checkFiles(_ context.Context, args []string) error {
	var o objects
	f := o.flags("check")
	_ = f.Parse(args)
	have := map[string]string{}
	err := filepath.WalkDir(f.Arg(0), func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			have[d.Name()] = p
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(have) != o.n {
		return fmt.Errorf("%d files instead of %d", len(have), o.n)
	}
	for i := range o.n {
		if err := same(have[path.Base(o.key(i))], o.content(i)); err != nil {
			return fmt.Errorf("%s: %w", o.key(i), err)
		}
	}
	return nil
}

// same returns an error if the file differs from want.
func same(file string, want io.Reader) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	a, b := make([]byte, 1<<20), make([]byte, 1<<20)
	for {
		n, e1 := io.ReadFull(f, a)
		m, e2 := io.ReadFull(want, b)
		if n != m || !bytes.Equal(a[:n], b[:m]) {
			return errors.New("wrong bytes")
		}
		if e1 != nil || e2 != nil {
			return nil // both ended: n equals m
		}
	}
}
