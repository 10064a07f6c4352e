package browse

import (
	"path"
	"strings"

	"usher/backend/api"
)

// kinds returns the word for an extension, or "". The word is for display only: an
// extension does not prove a kind.
func kinds(ext string) string {
	switch ext {
	case ".pdf":
		return "PDF"
	case ".csv":
		return "CSV"
	case ".tsv":
		return "TSV"
	case ".parquet":
		return "Parquet"
	case ".xlsx", ".xls", ".ods":
		return "Excel"
	case ".docx", ".doc", ".odt":
		return "Word"
	case ".txt", ".log", ".sha256", ".md5":
		return "text"
	case ".md":
		return "Markdown"
	case ".json", ".ndjson", ".jsonl":
		return "JSON"
	case ".yaml", ".yml", ".toml", ".ini", ".xml":
		return "config"
	case ".png", ".jpg", ".jpeg", ".gif", ".webp", ".tif", ".tiff", ".svg":
		return "picture"
	case ".mp4", ".mov", ".mkv", ".webm":
		return "video"
	case ".mp3", ".wav", ".flac":
		return "sound"
	case ".zip", ".gz", ".tgz", ".xz", ".zst", ".tar", ".bz2", ".7z":
		return "archive"
	case ".html", ".htm":
		return "page"
	}
	return ""
}

// kindOf returns the short word for the kind of a file, by its name.
func kindOf(name string) string {
	if w := kinds(strings.ToLower(path.Ext(name))); w != "" {
		return w
	}
	return "file"
}

// kindOfEntry is kindOf for files, folders and buckets.
func kindOfEntry(e Entry) string {
	switch e.Kind {
	case api.KindBucket:
		return "bucket"
	case api.KindFolder:
		return "folder"
	}
	return kindOf(e.Name.Raw())
}
