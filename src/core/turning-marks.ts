/** Marks that turn the direction of text, out of what has them into what follows (UAX #9 §2.1 to §2.5): `a\u202egpj.exe` is read
 *  as `aexe.jpg`. What is written from right to left does without. */
export const turningMarks = /[\u202a-\u202e\u2066-\u2069]/g
