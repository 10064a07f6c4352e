package servertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"usher/backend/api"
)

// Requests returns the checks of requests for access, on a server whose grants can be
// changed. Each check has a path of its own, so that they can share a server.
func Requests() []Promise[AccessBed] {
	return []Promise[AccessBed]{
		{"an open request is listed with the facts for its answer", listedRequest},
		{"a declined request is closed, and gives no access", declinedRequest},
		{"the preview of an approval changes nothing", previewedRequest},
		{"an approval gives access until its end, and closes the request", approvedRequest},
		{"an approval for a group of other people is a problem", foreignGroup},
		{"an answer to no request is not found", noRequest},
	}
}

// pending returns the open request for a path, nil without one.
func pending(ctx context.Context, b AccessBed, path string) (*api.Asking, error) {
	for in := (api.AskingRequest{}); ; {
		page, err := b.Server.Asking(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, q := range page.Requests {
			if in.After = q.Request; q.User == "suite-amy" && q.Key == path {
				return &q, nil
			}
		}
		if !page.More {
			return nil, nil
		}
	}
}

// asked sends a request and returns it as an admin sees it.
func asked(ctx context.Context, b AccessBed, path, reason string) (api.Asking, error) {
	if err := b.Ask(path, reason); err != nil {
		return api.Asking{}, err
	}
	q, err := pending(ctx, b, path)
	if err == nil && q == nil {
		err = errors.New("the request is not listed")
	}
	if err != nil {
		return api.Asking{}, err
	}
	return *q, nil
}

// closedNow fails if a request for a path is open.
func closedNow(ctx context.Context, b AccessBed, path string) error {
	q, err := pending(ctx, b, path)
	if err == nil && q != nil {
		err = errors.New("the request is open")
	}
	return err
}

// reads reports whether suite-amy can read a path.
func reads(ctx context.Context, b AccessBed, path string) (bool, error) {
	r, err := b.Server.Explain(ctx, api.ExplainRequest{User: "suite-amy", Bucket: "suite-bucket", Key: path})
	return r.Allowed, err
}

func approvalOf(q api.Asking, preview bool) api.AnswerRequest {
	end := q.Asked.Asked.Add(48 * time.Hour).UTC().Truncate(time.Second)
	return api.AnswerRequest{Request: q.Request, Approve: true, Group: "suite-team", Expires: &end, Reason: "suite", Preview: preview}
}

func listedRequest(ctx context.Context, b AccessBed) error {
	q, err := asked(ctx, b, "listed/", "why")
	switch {
	case err != nil:
		return err
	case q.Bucket != "suite-bucket" || q.Reason != "why" || q.State != api.AskOpen || !q.Ends.After(q.Asked.Asked):
		return fmt.Errorf("the request is %+v", q)
	case q.Gone || q.Allowed || !slices.Equal(q.Groups, []string{"suite-team"}) || q.Group != "suite-team" || q.Nearest == nil || q.Nearest.Text != allowDocs:
		return fmt.Errorf("the facts are %+v", q)
	}
	reached, err := asked(ctx, b, "docs/a.txt", "")
	if err == nil && !reached.Allowed {
		err = errors.New("a path that the person can read is not marked")
	}
	return err
}

func declinedRequest(ctx context.Context, b AccessBed) error {
	q, err := asked(ctx, b, "declined/x.txt", "why")
	if err != nil {
		return err
	}
	out, err := b.Server.Answer(ctx, api.AnswerRequest{Request: q.Request, Reason: "no"})
	can, explained := reads(ctx, b, "declined/x.txt")
	if out.State != api.AskDeclined || out.User != "suite-amy" || out.Grant != nil || can {
		err = errors.Join(err, fmt.Errorf("the answer is %+v, reads %t", out, can))
	}
	return errors.Join(err, explained, closedNow(ctx, b, "declined/x.txt"))
}

func previewedRequest(ctx context.Context, b AccessBed) error {
	q, err := asked(ctx, b, "previewed/x.txt", "why")
	if err != nil {
		return err
	}
	out, err := b.Server.Answer(ctx, approvalOf(q, true))
	if err == nil && (out.Grant == nil || out.Grant.Group != "suite-team" || !slices.Equal(out.Members, []string{"suite-cyn"}) || out.Event != "") {
		err = fmt.Errorf("the preview is %+v", out)
	}
	can, explained := reads(ctx, b, "previewed/x.txt")
	left, listed := pending(ctx, b, "previewed/x.txt")
	if can || left == nil {
		err = errors.Join(err, errors.New("the preview changed something"))
	}
	return errors.Join(err, explained, listed)
}

func approvedRequest(ctx context.Context, b AccessBed) error {
	q, err := asked(ctx, b, "approved/x.txt", "why")
	if err != nil {
		return err
	}
	in := approvalOf(q, false)
	out, err := b.Server.Answer(ctx, in)
	if err == nil && (out.State != api.AskApproved || out.Grant == nil || out.Grant.Expires == nil || out.Event == "") {
		err = fmt.Errorf("the answer is %+v", out)
	}
	can, explained := reads(ctx, b, "approved/x.txt")
	if !can {
		err = errors.Join(err, errors.New("the person cannot read the path"))
	}
	return errors.Join(err, explained, closedNow(ctx, b, "approved/x.txt"))
}

func foreignGroup(ctx context.Context, b AccessBed) error {
	q, err := asked(ctx, b, "foreign/x.txt", "why")
	if err != nil {
		return err
	}
	in := approvalOf(q, false)
	in.Group = "suite-guests"
	out, err := b.Server.Answer(ctx, in)
	if err == nil && (len(out.Problems) == 0 || out.Event != "") {
		err = fmt.Errorf("the answer is %+v", out)
	}
	can, explained := reads(ctx, b, "foreign/x.txt")
	if can {
		err = errors.Join(err, errors.New("the person can read the path"))
	}
	return errors.Join(err, explained)
}

func noRequest(ctx context.Context, b AccessBed) error {
	_, err := b.Server.Answer(ctx, api.AnswerRequest{Request: "0123456789abcdef"})
	return code(err, api.NotFound)
}
