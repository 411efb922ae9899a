using Moe.Core;

namespace Moe.Classical;

/// <summary>What a member is at one iterate.</summary>
/// <param name="Expert">Its expert; null if only experts of folds were fitted.</param>
/// <param name="Noise">Its noise; null for its own density.</param>
internal sealed record PartState(IExpert? Expert, NoiseModel? Noise);
