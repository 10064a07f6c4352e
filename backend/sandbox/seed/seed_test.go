package seed

import (
	"testing"
	"time"

	"usher/backend/sandbox/s3"
)

func loaded(t testing.TB) *s3.Server {
	t.Helper()
	s, err := s3.New(s3.Config{Region: "eu-central-1", Keys: new(s3.Keyring), Now: time.Now, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := Load(s); err != nil {
		t.Fatal(err)
	}
	return s
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		loaded(b)
	}
}

func BenchmarkNoise(b *testing.B) {
	c, buf := noise(1, 1<<40), make([]byte, 256<<10)
	b.SetBytes(int64(len(buf)))
	for i := int64(0); b.Loop(); i++ {
		_, _ = c.ReadAt(buf, i%1000*int64(len(buf)))
	}
}
