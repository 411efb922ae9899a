namespace Moe.HuggingFace;

/// <summary>A block that a checkpoint has.</summary>
/// <param name="Layer">The number in its names.</param>
/// <param name="Beginning">What the names of its tensors begin with, such as <c>model.layers.3.</c></param>
/// <param name="Layout">How its experts are stored.</param>
public sealed record BlockInfo(int Layer, string Beginning, BlockLayout Layout);
