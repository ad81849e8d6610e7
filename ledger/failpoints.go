package ledger

// The places where a crash is interesting: each stands between two steps of
// "persist, then send". internal/failpoint kills the process there.
const (
	failPayBeforeCommit     = "ledger:pay-before-commit"     // payer: entry made, nothing on the disk
	failPayCommitted        = "ledger:pay-committed"         // payer: on the disk, not sent
	failReceiveVerified     = "ledger:receive-verified"      // payee: checked, nothing on the disk
	failReceiveCommitted    = "ledger:receive-committed"     // payee: on the disk, not acknowledged
	failAckReceived         = "ledger:ack-received"          // payer: acknowledged, outbox not cleared
	failAckCommitted        = "ledger:ack-committed"         // payer: outbox cleared
	failGrantBeforeCommit   = "ledger:grant-before-commit"   // creditor, as for a payment
	failGrantCommitted      = "ledger:grant-committed"       //
	failGrantReceived       = "ledger:grant-verified"        // debtor, as for a payment
	failGrantReceivedCommit = "ledger:grant-received-commit" //

	failCheckpointBeforeCommit = "ledger:checkpoint-before-commit" // low: signed, nothing on the disk
	failCheckpointProposed     = "ledger:checkpoint-proposed"      // low: on the disk, not sent
	failCheckpointVerified     = "ledger:checkpoint-verified"      // either: checked, nothing signed
	failCheckpointSigned       = "ledger:checkpoint-signed"        // high: signed, nothing on the disk
	failRecoverTaken           = "ledger:recover-taken"            // who rebuilds: what came is on the disk
	failRecoverConsented       = "ledger:recover-consented"        // the peer: on the disk, not answered

	failExamine = "ledger:examine" // the child that looks at the file before anybody opens it

	failCheckpointCommitted = "ledger:checkpoint-committed" // either: on the disk, not answered
)
