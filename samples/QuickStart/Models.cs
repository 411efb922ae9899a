using Moe.Core;
using static TorchSharp.torch;

namespace QuickStart;

/// <summary>The three models that are compared. Each maps pixels [n, 64] to logits [n, 10].</summary>
internal static class Models
{
    /// <summary>Width of the hidden layer of one expert: a small network, too small to be good at all ten digits.</summary>
    private const int ExpertHidden = 32;

    /// <summary>A mixture: a linear gate looks at the pixels and sends each image to its best experts, who vote with the gate's weights.</summary>
    public static MixtureOfExperts Mixture(int experts, int topK) =>
        new(new GatingNetwork(GateOfMixture(experts, topK)), Experts(experts));

    /// <summary>One network, as wide as makes its parameters those that the mixture uses for one image.</summary>
    public static FeedForwardExpert SingleMlp(int experts, int topK)
    {
        var perHidden = Digits.Pixels + 1 + Digits.Classes;
        var hidden = (int)Math.Round((double)(ActiveOf(GateOfMixture(experts, topK)) - Digits.Classes) / perHidden);
        return new FeedForwardExpert(Network(hidden));
    }

    /// <summary>The same experts as in the mixture, all of which answer every image; the answer is their plain average.</summary>
    public static MixtureOfExperts Ensemble(int experts)
    {
        // To average is to weigh with a gate that knows nothing and never learns.
        var gate = new GatingNetwork(new GatingOptions { InputWidth = Digits.Pixels, ExpertCount = experts, TopK = experts });
        using (no_grad())
            gate.Weight.zero_();
        gate.Weight.requires_grad = false;
        return new MixtureOfExperts(gate, Experts(experts));
    }

    /// <summary>
    /// Parameters that take part in the answer to one image: the gate's matrix, unless it never learns, and k experts. (The matrix of the
    /// gate's noise is for training only.)
    /// </summary>
    public static long ActiveOf(GatingOptions gate)
    {
        var expert = (Digits.Pixels + 1L) * ExpertHidden + (ExpertHidden + 1L) * Digits.Classes;
        var matrix = gate.Noise is LearnedNoise ? (long)gate.ExpertCount * Digits.Pixels : 0;
        return matrix + gate.TopK * expert;
    }

    /// <summary>The noise lets experts other than the current best be tried; it fades over the training.</summary>
    private static GatingOptions GateOfMixture(int experts, int topK) =>
        new() { InputWidth = Digits.Pixels, ExpertCount = experts, TopK = topK, Noise = new LearnedNoise() };

    private static StackedExperts Experts(int count) => StackedExperts.FeedForward(count, Network(ExpertHidden));

    private static FeedForwardOptions Network(int hidden) => new() { InputWidth = Digits.Pixels, HiddenWidth = hidden, OutputWidth = Digits.Classes };
}
