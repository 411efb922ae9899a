using static TorchSharp.torch;

namespace Moe.Benchmarks.Ratios.Contenders;

/// <summary>Something that answers tokens, and the module that has its parameters.</summary>
internal sealed class Contender(string name, nn.Module owner, Func<Tensor, Tensor> forward)
{
    public string Name { get; } = name;

    public Tensor Forward(Tensor tokens) => forward(tokens);

    /// <summary>Before the first call of a row.</summary>
    public void Prepare(Pass pass)
    {
        owner.train(pass == Pass.Train);
        ZeroGrad();
    }

    public void ZeroGrad() => owner.zero_grad();

    /// <summary>One call; nothing is left of it but the parameters' gradients.</summary>
    /// <param name="pass">What to do.</param>
    /// <param name="tokens">[T, D]. In training they get a gradient too, as they would inside of a model: the floor counts it.</param>
    public void Call(Pass pass, Tensor tokens)
    {
        using var scope = NewDisposeScope();
        if (pass == Pass.Forward)
        {
            using var noGrad = no_grad();
            Forward(tokens);
            return;
        }

        ZeroGrad();
        Forward(tokens.detach().requires_grad_()).square().mean().backward();
    }
}
