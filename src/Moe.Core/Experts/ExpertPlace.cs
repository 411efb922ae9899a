namespace Moe.Core;

/// <summary>Where the parameters of one expert lie in the state of a layer: in a module of its own, or as a slice of each tensor of a stack.</summary>
/// <param name="Module">What their names in the layer's <c>state_dict</c> begin with, such as <c>experts.3</c>: a layer registers a module under the index of the first expert in it.</param>
/// <param name="Slice">The place of the expert along the first dimension of each tensor of a stack; null where the tensors are its own.</param>
public sealed record ExpertPlace(string Module, int? Slice);
