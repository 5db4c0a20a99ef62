/** Bidirectional control characters that affect the text after them (UAX #9 §2.1 to §2.5):
 *  `a\u202egpj.exe` is displayed as `aexe.jpg`. Text in right-to-left scripts does not need
 *  them. */
export const bidiControls = /[\u202a-\u202e\u2066-\u2069]/g
