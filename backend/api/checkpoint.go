package api

// AuditLog describes the audit log of a server. Key is pinned: another key needs a
// restart that the key before it signed.
type AuditLog struct {
	Key      string   `json:"key,omitempty"`      // public key of the checkpoints; "": the log has none
	Restarts [][]byte `json:"restarts,omitempty"` // signed restarts, the oldest first; at most MaxRestarts
}

// MaxRestarts is the greatest number of restarts in a configuration.
const MaxRestarts = 20

// AuditPolicyRequest requests the grants of a version that decided, which events
// have as policy. The response is a GrantsListResponse.
type AuditPolicyRequest struct {
	Version string `json:"version"` // at most MaxPolicyVersion bytes
}

// MaxPolicyVersion bounds the name of a version.
const MaxPolicyVersion = 64

// CheckpointRequest requests the latest checkpoint of the audit log.
type CheckpointRequest struct {
	From int64 `json:"from"` // number of events of the checkpoint that the caller knows; 0: none
}

// CheckpointResponse is the latest checkpoint, with the proof that its log
// contains the first From events of the log before. A From beyond the checkpoint
// has no proof.
type CheckpointResponse struct {
	Checkpoint string   `json:"checkpoint"` // a signed note (c2sp.org/tlog-checkpoint)
	From       int64    `json:"from"`
	Proof      [][]byte `json:"proof"` // hashes, as in RFC 6962 section 2.1.2
	// Witnesses is the policy of the witnesses (c2sp.org/tlog-policy), or "".
	Witnesses string `json:"witnesses,omitempty"`
	// Cosigned is the last checkpoint that satisfies the policy, or "".
	// CosignedProof proves that Checkpoint contains its events.
	Cosigned      string   `json:"cosigned,omitempty"`
	CosignedProof [][]byte `json:"cosigned_proof,omitempty"`
}
