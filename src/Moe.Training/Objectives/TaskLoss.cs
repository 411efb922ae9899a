using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>What a model is to learn: how far its output is from the target.</summary>
/// <param name="output">What the model gave, samples along the first dimension.</param>
/// <param name="target">What it should give.</param>
/// <returns>A scalar: the mean over the samples, differentiable in <paramref name="output"/>.</returns>
public delegate Tensor TaskLoss(Tensor output, Tensor target);
