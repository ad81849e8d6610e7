// Package program asks a seller's own program about a job: it is fed a Question on
// its standard input and says in an Answer whether the job is taken, refused, or
// taken at another price. Runner runs it; Parse reads what it wrote.
//
// A program that fails, is slow, or writes anything else than an answer gives an
// error, and the job is refused: no answer is never a yes. The program has the
// rights of the node's user. It is not given any secret: its environment is PATH
// alone, and it inherits no file but its standard input, output and error.
package program
