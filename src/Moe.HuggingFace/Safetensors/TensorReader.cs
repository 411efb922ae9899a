namespace Moe.HuggingFace;

/// <summary>Gives a writer a piece of a tensor's bytes. <see cref="ITensorStore.Read"/> of any store is one.</summary>
/// <param name="name">Which tensor.</param>
/// <param name="firstByte">Counted from the tensor's first. Pieces come in order, each once, and none cuts through a number.</param>
/// <param name="destination">To be filled as a whole: row by row, numbers in little-endian order.</param>
public delegate void TensorReader(string name, long firstByte, Span<byte> destination);
