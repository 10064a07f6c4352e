package main

import (
	"context"
	"os"
	"path"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	"golang.org/x/sync/errgroup"
)

// sdkGet downloads objects with the SDK's transfer manager, -j at a time.
func sdkGet(ctx context.Context, args []string) error {
	var o objects
	f := o.flags("sdk")
	conns := f.Int("c", 0, "parts of one object at once; 0: the library's default")
	part := f.Int64("part", 0, "bytes of one part; 0: the library's default")
	files := f.Int("j", 5, "objects at once")
	_ = f.Parse(args)
	tm := transfermanager.New(client(o.endpoint), func(t *transfermanager.Options) {
		t.Concurrency, t.PartSizeBytes = *conns, *part
		t.GetObjectType = types.GetObjectRanges // the objects were not uploaded in parts
	})
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(*files)
	for i := range o.n {
		g.Go(func() error {
			file, err := os.Create(filepath.Join(f.Arg(0), path.Base(o.key(i))))
			if err != nil {
				return err
			}
			defer file.Close()
			_, err = tm.DownloadObject(ctx, &transfermanager.DownloadObjectInput{
				Bucket: aws.String(o.bucket), Key: aws.String(o.key(i)), WriterAt: file})
			return err
		})
	}
	return g.Wait()
}
